/** The verifier's own rule about references comes before NT's bug check. */
export const options = { verifier: false };
