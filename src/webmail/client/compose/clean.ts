/**
 * HTML of strangers for our own editor: pasted, quoted, or of a draft that another program wrote.
 * The page's policy lets nothing run in any case; this leaves nothing that would want to. Remote
 * pictures go: neither the page nor whoever is answered shall fetch them.
 */
import DOMPurify from 'dompurify';

const TAGS = (
  'p div br span b strong i em u s a ul ol li blockquote pre code h1 h2 h3 h4 hr img sub sup ' +
  'table thead tbody tr td th'
).split(' ');
const ATTRIBUTES = ['href', 'src', 'alt', 'dir', 'lang', 'colspan', 'rowspan', 'data-cid'];
const CID = /^cid:([\x21-\x3b\x3d\x3f-\x7e]{1,500})$/;

/** @param pictureUrl where a picture of this Content-ID is shown from; undefined: it goes */
export function cleanHtml(
  html: string,
  pictureUrl: (cid: string) => string | undefined = () => undefined,
): string {
  const purify = DOMPurify(window);
  purify.addHook('uponSanitizeElement', (node) => {
    if (!(node instanceof Element) || node.localName !== 'img') return;
    const cid = node.getAttribute('data-cid') ?? CID.exec(node.getAttribute('src') ?? '')?.[1];
    const url = cid === undefined ? undefined : pictureUrl(cid);
    if (cid === undefined || url === undefined) return node.remove();
    node.setAttribute('data-cid', cid);
    node.setAttribute('src', url);
  });
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    // These hold no address; all others are held against the pattern below.
    ADD_URI_SAFE_ATTR: ['data-cid', 'dir', 'lang', 'colspan', 'rowspan'],
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|blob:|\/jmap\/)/i,
  });
}
