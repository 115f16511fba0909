import type { Upload } from './uploads.ts';

/** By XMLHttpRequest: only it says how much has gone. */
export const browserUpload: Upload = (url, file, { onProgress, signal }) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
    request.addEventListener('load', () =>
      resolve({ status: request.status, text: request.responseText }),
    );
    for (const kind of ['error', 'timeout', 'abort'] as const) {
      request.addEventListener(kind, () => reject(new Error('The line broke')));
    }
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
