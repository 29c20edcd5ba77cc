/** Names of DEVICE_OBJECT.DeviceType values (WDK: "Specifying Device Types", wdm.h). */
export const DEVICE_TYPE_NAMES: { readonly [type: number]: string } = Object.fromEntries(
  (
    [
      [0x01, 'BEEP'], [0x02, 'CD_ROM'], [0x03, 'CD_ROM_FILE_SYSTEM'], [0x04, 'CONTROLLER'], [0x07, 'DISK'], [0x08, 'DISK_FILE_SYSTEM'], [0x09, 'FILE_SYSTEM'],
      [0x0b, 'KEYBOARD'], [0x0c, 'MAILSLOT'], [0x0f, 'MOUSE'], [0x11, 'NAMED_PIPE'], [0x12, 'NETWORK'], [0x14, 'NETWORK_FILE_SYSTEM'], [0x15, 'NULL'],
      [0x16, 'PARALLEL_PORT'], [0x17, 'PHYSICAL_NETCARD'], [0x1b, 'SERIAL_PORT'], [0x1d, 'SOUND'], [0x22, 'UNKNOWN'], [0x23, 'VIDEO'], [0x24, 'VIRTUAL_DISK'],
      [0x27, '8042_PORT'], [0x29, 'BATTERY'], [0x2a, 'BUS_EXTENDER'], [0x2d, 'MASS_STORAGE'], [0x2f, 'KS'], [0x32, 'ACPI'], [0x39, 'KSEC'],
    ] as const
  ).map(([type, name]) => [type, `FILE_DEVICE_${name}`]),
);
