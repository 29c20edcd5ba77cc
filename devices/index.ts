/** Virtual hardware: one device a file, each with its test beside it. */
export { createRequestPort } from './requestport.ts';
