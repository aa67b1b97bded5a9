import { render } from 'preact';

import { App } from './app.tsx';
import { followWhileSeen } from './store.ts';
import { t } from './texts.ts';

document.documentElement.lang = t.language;
const page = document.getElementById('page');
if (page) {
  page.replaceChildren();
  render(<App />, page);
  followWhileSeen();
}
