/** What is used of packages that come without types. */
declare module 'mailauth/lib/mta-sts.js' {
  const mtaSts: {
    /** @throws Error for a policy that is none */
    parsePolicy(file: string): {
      readonly mode: string;
      readonly maxAge?: number;
      readonly mx?: readonly string[];
    };
  };
  export default mtaSts;
}

declare module 'mx-connect/lib/dane.js' {
  const dane: {
    verifyCertAgainstTlsa(
      cert: unknown,
      records: readonly { usage: number; selector: number; mtype: number; cert: Buffer }[],
      chain: readonly unknown[],
    ): { readonly valid: boolean; readonly error: string | null };
  };
  export default dane;
}
