/** Without the verifier: what the kernel itself notices of a driver's mistakes. */
export const options = { verifier: false };
