/** HalGetAdapter is a violation for the verifier. */
export const options = { verifier: false };
