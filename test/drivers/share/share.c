/* Share access: a driver of a device that can be opened several times keeps the counters; the routines compare each new open with those that there are. */
#include <ntddk.h>
#include "../ktest.h"

static FILE_OBJECT First, Second;
static SHARE_ACCESS Share;

#define RW (FILE_READ_DATA | FILE_WRITE_DATA)

static NTSTATUS Try(ACCESS_MASK Access, ULONG Sharing)
{
    RtlZeroMemory(&Second, sizeof Second);
    return IoCheckShareAccess(Access, Sharing, &Second, &Share, FALSE);
}

static VOID Begin(ACCESS_MASK Access, ULONG Sharing)
{
    RtlZeroMemory(&First, sizeof First);
    RtlFillMemory(&Share, sizeof Share, 0xee);
    IoSetShareAccess(Access, Sharing, &First, &Share);
}

static VOID Set(VOID)
{
    Begin(FILE_READ_DATA | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE);
    OUTCOME(IoSetShareAccess, "counts the first open", Share.OpenCount == 1);
    OUTCOME(IoSetShareAccess, "counts what the open does", Share.Readers == 1 && Share.Writers == 0 && Share.Deleters == 1);
    OUTCOME(IoSetShareAccess, "counts what the open shares", Share.SharedRead == 1 && Share.SharedWrite == 1 && Share.SharedDelete == 0);
    OUTCOME(IoSetShareAccess, "notes access and sharing in the file object", First.ReadAccess && !First.WriteAccess && First.DeleteAccess && First.SharedRead &&
            First.SharedWrite && !First.SharedDelete);
    Begin(FILE_READ_ATTRIBUTES | SYNCHRONIZE, 0);
    OUTCOME(IoSetShareAccess, "an open that neither reads, writes nor deletes is not counted", Share.OpenCount == 0 && Share.Readers == 0);
}

static VOID Checking(VOID)
{
    Begin(FILE_READ_DATA, FILE_SHARE_READ);
    OUTCOME(IoCheckShareAccess, "STATUS_SUCCESS when both share what the other does", Try(FILE_READ_DATA, FILE_SHARE_READ) == STATUS_SUCCESS);
    OUTCOME(IoCheckShareAccess, "STATUS_SHARING_VIOLATION for an access that an earlier open does not share", Try(FILE_WRITE_DATA, FILE_SHARE_READ) == STATUS_SHARING_VIOLATION);
    OUTCOME(IoCheckShareAccess, "STATUS_SHARING_VIOLATION when the new open does not share what an earlier one does", Try(FILE_READ_DATA, 0) == STATUS_SHARING_VIOLATION);
    OUTCOME(IoCheckShareAccess, "STATUS_SHARING_VIOLATION for DELETE that is not shared", Try(DELETE, FILE_SHARE_READ) == STATUS_SHARING_VIOLATION);
    OUTCOME(IoCheckShareAccess, "STATUS_SUCCESS for an open that takes no part in sharing", Try(FILE_READ_ATTRIBUTES, 0) == STATUS_SUCCESS);
    Begin(RW, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    OUTCOME(IoCheckShareAccess, "notes access and sharing in the file object", Try(RW, 7) == STATUS_SUCCESS && Second.ReadAccess && Second.WriteAccess && Second.SharedDelete);
    OUTCOME(IoCheckShareAccess, "leaves the counters without Update", Share.OpenCount == 1);
    OUTCOME(IoCheckShareAccess, "counts the open with Update", IoCheckShareAccess(FILE_READ_DATA, 7, &Second, &Share, TRUE) == STATUS_SUCCESS && Share.OpenCount == 2 &&
            Share.Readers == 2 && Share.Writers == 1);
    IoRemoveShareAccess(&Second, &Share);
    OUTCOME(IoRemoveShareAccess, "takes the open out of the counters", Share.OpenCount == 1 && Share.Readers == 1 && Share.Writers == 1 && Share.SharedRead == 1);
    CHECK(Try(FILE_WRITE_DATA, 7) == STATUS_SUCCESS);
    IoUpdateShareAccess(&Second, &Share);
    OUTCOME(IoUpdateShareAccess, "counts an open that was checked", Share.OpenCount == 2 && Share.Writers == 2 && Share.Readers == 1);
    CHECK(Try(FILE_READ_ATTRIBUTES, 0) == STATUS_SUCCESS);
    IoUpdateShareAccess(&Second, &Share);
    OUTCOME(IoUpdateShareAccess, "does not count an open that takes no part in sharing", Share.OpenCount == 2);
    IoRemoveShareAccess(&Second, &Share);
    OUTCOME(IoRemoveShareAccess, "changes nothing for an open that takes no part in sharing", Share.OpenCount == 2);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PGENERIC_MAPPING mapping;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("share");
    Set();
    Checking();
    mapping = IoGetFileObjectGenericMapping();
    OUTCOME(IoGetFileObjectGenericMapping, "returns what the generic rights mean for files", mapping->GenericRead == FILE_GENERIC_READ &&
            mapping->GenericWrite == FILE_GENERIC_WRITE && mapping->GenericExecute == FILE_GENERIC_EXECUTE && mapping->GenericAll == FILE_ALL_ACCESS);
    KtestDone();
    return STATUS_SUCCESS;
}
