/** Message-signalled interrupts of PCI functions (PCI Local Bus 3.0, 6.8; Intel SDM vol. 3, 10.11): who gets one, its vector, and what is written into the function's capability. */
import {
  MSI_ADDRESS_LOW,
  MSI_CONTROL,
  MSI_CONTROL_64BIT,
  MSI_CONTROL_ENABLE,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  type PciAddress,
  pciCapability,
  PCI_CAPABILITY_MSI,
  pciRead,
  pciWrite,
} from '../../hal/nt/pci.ts';
import type { MessageRoute } from '../../hal/nt/apic.ts';
import { cmOpenPath, cmQueryDword } from '../cm/registry.ts';
import { activeProcessors } from '../ke/processor.ts';
import type { Kernel } from '../kernel.ts';
import { exFreePool } from '../mm/pool.ts';
import { PCIBus } from '../types/pnp.ts';
import { allNodes, enumPath, instancePath, N } from './node.ts';
import { buildResourceList, deviceResources } from './resources.ts';

/** Classes of device vectors, and the places in each that pins do not use. */
const FIRST_IRQL = 5,
  LAST_IRQL = 11,
  FIRST_PLACE = 8;

const addressOf = (k: Kernel, node: number): PciAddress => {
  const address = N.Address.get(k.mem, node);
  return { bus: N.BusNumber.get(k.mem, node), device: address >>> 16, function: address & 0xffff };
};

/** The device whose message has this vector, or 0. */
export const messageOwner = (k: Kernel, vector: number): number =>
  allNodes(k).find(node => N.MessageVector.get(k.mem, node) === vector) ?? 0;

function freeVector(k: Kernel): number {
  const used = new Set(allNodes(k).map(node => N.MessageVector.get(k.mem, node)));
  for (let place = FIRST_PLACE; place < 16; place++)
    for (let irql = FIRST_IRQL; irql <= LAST_IRQL; irql++) if (!used.has((irql << 4) | place)) return (irql << 4) | place;
  return 0;
}

/** What an INF file writes for a device whose driver takes messages (WDK, "Enabling Message-Signaled Interrupts in the Registry"). */
function wantsMessages(k: Kernel, node: number): boolean {
  const path = `${enumPath(instancePath(k, node))}\\Device Parameters\\Interrupt Management\\MessageSignaledInterruptProperties`;
  const key = cmOpenPath(k, path);
  return key !== 0 && cmQueryDword(k, key, 'MSISupported') === 1;
}

/** Before a device starts: a PCI function that can send messages, and whose registry key asks for them, gets one instead of its line. */
export function assignMessage(k: Kernel, node: number): void {
  const { mem } = k;
  if (N.InterfaceType.get(mem, node) !== PCIBus || N.MessageVector.get(mem, node) !== 0) return;
  const at = addressOf(k, node);
  if (!pciCapability(k.cpu, at, PCI_CAPABILITY_MSI) || !wantsMessages(k, node)) return;
  const vector = freeVector(k);
  if (!vector) return;
  const resources = { ...deviceResources(k, at), message: { vector, irql: vector >> 4, affinity: BigInt(activeProcessors(k)) } };
  const raw = buildResourceList(k, resources, PCIBus, at.bus, false);
  const translated = buildResourceList(k, resources, PCIBus, at.bus, true);
  for (const list of raw && translated
    ? [N.ResourceList.get(mem, node), N.ResourceListTranslated.get(mem, node)]
    : [raw, translated])
    if (list) exFreePool(k, list, 0);
  if (!raw || !translated) return;
  N.ResourceList.set(mem, node, raw);
  N.ResourceListTranslated.set(mem, node, translated);
  N.MessageVector.set(mem, node, vector);
}

/** Lets the function send its message. */
export function enableMessage(k: Kernel, node: number, route: MessageRoute): void {
  const at = addressOf(k, node);
  const capability = pciCapability(k.cpu, at, PCI_CAPABILITY_MSI);
  const control = pciRead(k.cpu, at, capability + MSI_CONTROL, 2);
  pciWrite(k.cpu, at, capability + MSI_ADDRESS_LOW, 4, route.address);
  const wide = (control & MSI_CONTROL_64BIT) !== 0;
  if (wide) pciWrite(k.cpu, at, capability + MSI_ADDRESS_LOW + 4, 4, 0);
  pciWrite(k.cpu, at, capability + MSI_ADDRESS_LOW + (wide ? 8 : 4), 2, route.data);
  // A message is a write by the function: it must be a bus master.
  pciWrite(k.cpu, at, PCI_COMMAND, 2, pciRead(k.cpu, at, PCI_COMMAND, 2) | PCI_COMMAND_MASTER);
  pciWrite(k.cpu, at, capability + MSI_CONTROL, 2, control | MSI_CONTROL_ENABLE);
}

/** The function goes back to its line. */
export function disableMessage(k: Kernel, node: number): void {
  const at = addressOf(k, node);
  const capability = pciCapability(k.cpu, at, PCI_CAPABILITY_MSI);
  pciWrite(k.cpu, at, capability + MSI_CONTROL, 2, pciRead(k.cpu, at, capability + MSI_CONTROL, 2) & ~MSI_CONTROL_ENABLE);
}
