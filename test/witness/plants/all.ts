/** Every plant at once, to be switched one by one: one farm for all of them. */
import './power.ts'; // First, so that it stands below the others.
import './changing-uidl.ts';
import './double-landing.ts';
import './early-reply.ts';
import './empty-mailbox.ts';
import './lost-link.ts';
import './lost-rename.ts';
import './other-body.ts';
import './permanent.ts';
import './truncated.ts';
import './undead.ts';
