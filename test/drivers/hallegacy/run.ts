/** The verifier refuses adapters by description (bug check 0xE6, parameter 0x1E). */
export const options = { verifier: false };
