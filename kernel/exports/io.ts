/** I/O manager routines: each lives with its subject in kernel/io/. */
import type { NtExport } from './declare.ts';
import { exports as attach } from '../io/attach.ts';
import { exports as build } from '../io/build.ts';
import { exports as call } from '../io/call.ts';
import { exports as cancel } from '../io/cancel.ts';
import { exports as complete } from '../io/complete.ts';
import { exports as controllers } from '../io/controller.ts';
import { exports as csq } from '../io/csq.ts';
import { exports as devices } from '../io/devicecalls.ts';
import { exports as dma } from '../io/dmacalls.ts';
import { exports as eventLog } from '../io/eventlog.ts';
import { exports as files } from '../io/file.ts';
import { exports as fileServices } from '../io/fileservices.ts';
import { exports as completionPorts } from '../io/iocompletion.ts';
import { exports as fileSystems } from '../io/filesystem.ts';
import { exports as hardErrors } from '../io/harderror.ts';
import { exports as interrupts } from '../io/interrupt.ts';
import { exports as load } from '../io/load.ts';
import { exports as misc } from '../io/misc.ts';
import { exports as fileSecurity } from '../io/filesecurity.ts';
import { exports as pagingIo } from '../io/pagingio.ts';
import { exports as filePages } from '../mm/filepages.ts';
import { exports as fileSize } from '../io/filesize.ts';
import { exports as partitions } from '../io/partition.ts';
import { exports as partitionWriting } from '../io/partitionwrite.ts';
import { exports as fileInformation } from '../io/fileinformation.ts';
import { exports as requests } from '../io/request.ts';
import { exports as shutdown } from '../io/shutdown.ts';
import { exports as startIo } from '../io/startio.ts';
import { ioThreadExports } from '../io/systemthread.ts';
import { exports as threadIo } from '../io/threadio.ts';
import { exports as timer } from '../io/timer.ts';
import { exports as workItems } from '../io/workitem.ts';
import { exports as requesterInit } from '../requester/init.ts';
import { exports as requesterThread } from '../requester/thread.ts';
import { userRequesterRoutines } from '../requester/user.ts';

export const exports: NtExport[] = [
  ...call,
  ...complete,
  ...cancel,
  ...csq,
  ...controllers,
  ...devices,
  ...files,
  ...eventLog,
  ...attach,
  ...fileSystems,
  ...fileServices,
  ...completionPorts,
  ...hardErrors,
  ...requests,
  ...fileInformation,
  ...fileSize,
  ...partitions,
  ...partitionWriting,
  ...pagingIo,
  ...fileSecurity,
  ...filePages,
  ...load,
  ...startIo,
  ...ioThreadExports,
  ...shutdown,
  ...timer,
  ...misc,
  ...threadIo,
  ...workItems,
  ...build,
  ...interrupts,
  ...dma,
  ...requesterInit,
  ...requesterThread,
  ...userRequesterRoutines,
];
