/* Controller objects: two devices that share one controller take turns. */
#include <ntddk.h>
#include "../ktest.h"

typedef struct _CONTROLLER_OBJECT *PCONTROLLER;
NTKERNELAPI PCONTROLLER NTAPI IoCreateController(ULONG Size);
NTKERNELAPI VOID NTAPI IoDeleteController(PCONTROLLER ControllerObject);
NTKERNELAPI VOID NTAPI IoAllocateController(PCONTROLLER ControllerObject, PDEVICE_OBJECT DeviceObject, PDRIVER_CONTROL ExecutionRoutine, PVOID Context);
NTKERNELAPI VOID NTAPI IoFreeController(PCONTROLLER ControllerObject);

typedef struct
{
    CSHORT Type, Size;
    PVOID ControllerExtension;
    KDEVICE_QUEUE DeviceWaitQueue;
} CONTROLLER;

static PDEVICE_OBJECT First, Second;
static PDEVICE_OBJECT Order[8];
static ULONG Calls;
static IO_ALLOCATION_ACTION Answer;
static PVOID SeenContext, SeenRegisters;
static PIRP SeenIrp;

static IO_ALLOCATION_ACTION NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID MapRegisterBase, PVOID Context)
{
    Order[Calls++] = DeviceObject;
    SeenIrp = Irp;
    SeenRegisters = MapRegisterBase;
    SeenContext = Context;
    return Answer;
}

static VOID Create(VOID)
{
    CONTROLLER *controller = (CONTROLLER *)IoCreateController(100);
    PUCHAR extension;
    BOOLEAN zero = TRUE;
    ULONG i;
    if (!OUTCOME(IoCreateController, "returns a controller object", controller != NULL))
        return;
    extension = controller->ControllerExtension;
    for (i = 0; i < 100; i++)
        if (extension[i])
            zero = FALSE;
    OUTCOME(IoCreateController, "gives it an extension of the size asked for, filled with zeros", zero);
    OUTCOME(IoCreateController, "makes its device queue empty and not busy", !controller->DeviceWaitQueue.Busy);
    OUTCOME(IoCreateController, "returns NULL when there is no memory for it", IoCreateController(0x70000000) == NULL);
    ObReferenceObject(controller);
    IoDeleteController((PCONTROLLER)controller);
    OUTCOME(IoDeleteController, "gives back the reference of the creator", ObDereferenceObject(controller) == 0);
}

static VOID Turns(PCONTROLLER Controller)
{
    IRP marker;
    First->CurrentIrp = &marker;
    Answer = KeepObject;
    IoAllocateController(Controller, First, Control, (PVOID)0x1234);
    OUTCOME(IoAllocateController, "calls the ControllerControl routine at once when the controller is free", Calls == 1 && Order[0] == First);
    OUTCOME(IoAllocateController, "passes the device's current IRP and the context", SeenIrp == &marker && SeenContext == (PVOID)0x1234 && SeenRegisters == NULL);
    IoAllocateController(Controller, Second, Control, (PVOID)0x5678);
    OUTCOME(IoAllocateController, "queues the device while the controller is allocated", Calls == 1);
    IoFreeController(Controller);
    OUTCOME(IoFreeController, "calls the ControllerControl routine of the device that waits longest", Calls == 2 && Order[1] == Second && SeenContext == (PVOID)0x5678);
    OUTCOME(IoAllocateController, "with KeepObject the controller stays allocated", ((CONTROLLER *)Controller)->DeviceWaitQueue.Busy);
    IoFreeController(Controller);
    OUTCOME(IoFreeController, "makes the controller free when no device waits", Calls == 2 && !((CONTROLLER *)Controller)->DeviceWaitQueue.Busy);
    Answer = DeallocateObject;
    IoAllocateController(Controller, First, Control, NULL);
    OUTCOME(IoAllocateController, "with DeallocateObject the controller is free when the routine returns", Calls == 3 && !((CONTROLLER *)Controller)->DeviceWaitQueue.Busy);
    First->CurrentIrp = NULL;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PCONTROLLER controller;
    KIRQL irql;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("controller");
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_CONTROLLER, 0, FALSE, &First);
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_CONTROLLER, 0, FALSE, &Second);
    Create();
    controller = IoCreateController(0);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Turns(controller);
    KeLowerIrql(irql);
    IoDeleteController(controller);
    KtestDone();
    return STATUS_SUCCESS;
}
