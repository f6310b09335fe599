// The pages: what each is called, where it stands in the menu, and who may see it. A page's module is fetched when it is opened.

const everyone = () => true;
const whole = (who) => who.whole;
const stewards = (who) => who.writes;

// Pages with a `section` are tabs of that entry of the menu.
export const PAGES = [
  { name: 'overview', title: 'Overview', menu: true, may: everyone },
  { name: 'usage', title: 'Usage', menu: true, may: everyone },
  { name: 'compare', title: 'Side by side', menu: true, may: everyone },
  { name: 'hierarchy', title: 'Hierarchy', menu: true, may: everyone },
  { name: 'device', title: 'Device', section: 'hierarchy', may: everyone },
  { name: 'alerts', title: 'Alerts', menu: true, tab: 'Alerts', may: everyone },
  { name: 'webhooks', title: 'Webhooks', section: 'alerts', tab: 'Webhooks', may: stewards },
  { name: 'ingest', title: 'Ingest', menu: true, tab: 'Accounting', may: whole },
  { name: 'quarantine', title: 'Quarantine', section: 'ingest', tab: 'Quarantine', may: whole },
  { name: 'reviews', title: 'Register reviews', section: 'ingest', tab: 'Reviews', may: whole },
  { name: 'keys', title: 'Access', menu: true, tab: 'Keys', may: stewards },
  { name: 'portal', title: 'Portal tokens', section: 'keys', tab: 'Portal tokens', may: stewards },
  { name: 'enrollments', title: 'Enrollments', section: 'keys', tab: 'Enrollments', may: stewards },
  { name: 'enrollment-tokens', title: 'Enrollment tokens', section: 'keys', tab: 'Enrollment tokens', may: stewards },
  { name: 'audit', title: 'Audit', menu: true, may: stewards },
  { name: 'providers', title: 'Providers', may: (who) => who.admin, anywhere: true },
];

export const pageNamed = (name) => PAGES.find((page) => page.name === name);
export const menu = (who) => PAGES.filter((page) => page.menu && page.may(who));
export const tabs = (page, who) => {
  const top = page.section ?? page.name;
  const all = PAGES.filter((one) => one.tab && (one.name === top || one.section === top) && one.may(who));
  return page.tab && all.length > 1 ? all : [];
};

export const module = (page) => import(`./pages/${page.name}.js`);

// The address of a page: parameters that are null or empty are left out.
export function address(name, parameters = {}) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(pairs).toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
  return `#/${name}${text ? `?${text}` : ''}`;
}

export function located(hash) {
  const [, name = '', text = ''] = /^#\/([\w-]*)\??(.*)$/.exec(hash) ?? [];
  return { name, parameters: Object.fromEntries(new URLSearchParams(text)) };
}
