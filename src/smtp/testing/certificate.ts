/** A throw-away key and certificate for mx.farm.test: for tests on loopback only. */
import { createSecureContext } from 'node:tls';
import type { TlsContexts } from '../../net/types.ts';

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc2hmuDhF1SKgG6WB
jIQQ0u9+UngXKzvmE89TfONVA/yhRANCAATAZ9KLtLeKb7UrQUw609q9XWYCAMNz
tTn1xB63MZNtQUPn4sVpEj7rnlmZHyuO/Uja7SWVLUSUSLVUtYgOYzu7
-----END PRIVATE KEY-----`;

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIUMOKPtUF+KlVJCVXuHedhnRbVk78wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMbXguZmFybS50ZXN0MCAXDTI2MTEyMjAwMTg0N1oYDzIxMjYx
MDI5MDAxODQ3WjAXMRUwEwYDVQQDDAxteC5mYXJtLnRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATAZ9KLtLeKb7UrQUw609q9XWYCAMNztTn1xB63MZNtQUPn
4sVpEj7rnlmZHyuO/Uja7SWVLUSUSLVUtYgOYzu7o2wwajAdBgNVHQ4EFgQUjvm5
1yPDmjkwGU9H2HupFxAHxu8wHwYDVR0jBBgwFoAUjvm51yPDmjkwGU9H2HupFxAH
xu8wDwYDVR0TAQH/BAUwAwEB/zAXBgNVHREEEDAOggxteC5mYXJtLnRlc3QwCgYI
KoZIzj0EAwIDSAAwRQIgUH6g+Aylh+9W0tV0K0UkEHDept0emJ8QC8/Cp32q6a8C
IQCLGf+q9Vx1TzRe/xM44YhkALbcHNSE6FYQFvZeWedbWw==
-----END CERTIFICATE-----`;

/** Contexts of the test certificate; `asked` collects the names that handshakes asked for. */
export function testTls(): TlsContexts & { readonly asked: (string | undefined)[] } {
  const context = createSecureContext({ key: KEY, cert: CERTIFICATE });
  const asked: (string | undefined)[] = [];
  return {
    asked,
    context: (servername) => {
      asked.push(servername);
      return context;
    },
  };
}
