//! The end of `/browser_client`: `HappnClient` for pages that were written for happn's script, and for those who require it.
const { HappnClient } = module.exports;
if (outside) outside.exports = HappnClient;
if (!outside || typeof window === 'object') page.HappnClient = HappnClient;
})(globalThis, typeof module === 'object' && module ? module : undefined);
