'use strict';
// The index: a text, a property and its verdict, lints. What is chosen stands in the address, to be passed on.
const filters = document.getElementById('filters');
if (filters) {
  const { find, property, verdict, linted } = filters.elements;
  const rows = [...document.querySelectorAll('tbody tr[data-text]')], count = document.getElementById('count');
  const heads = [...document.querySelectorAll('thead th')];
  const marks = { '✓': 'holds', '(✗)': 'expected', '✗': 'bad', '?': 'open', '!': 'waived', '(!)': 'baselined' };
  const sift = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const column = heads.findIndex(head => head.dataset.property === property.value);
    let shown = 0;
    for (const row of rows) {
      const is = column < 0 ? row.dataset.verdict : marks[row.cells[column].textContent.trim().split(' ')[0]];
      const fits = (verdict.value ? is === verdict.value : column < 0 || is)
        && (!linted.checked || row.cells[2].textContent)
        && words.every(word => row.dataset.text.includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = shown + ' of ' + rows.length + ' shown';
  };
  const keep = () => {
    const chosen = new URLSearchParams();
    for (const field of [find, property, verdict]) if (field.value) chosen.set(field.id, field.value);
    if (linted.checked) chosen.set('linted', 'yes');
    history.replaceState(null, '', chosen.size ? '#' + chosen : location.pathname);
  };
  const take = () => {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const field of [find, property, verdict]) field.value = chosen.get(field.id) || '';
    for (const field of [property, verdict]) if (field.selectedIndex < 0) field.value = '';
    linted.checked = chosen.has('linted');
    sift();
  };
  filters.addEventListener('input', () => { sift(); keep(); });
  filters.addEventListener('reset', () => setTimeout(() => { sift(); keep(); }));
  window.addEventListener('hashchange', take);
  filters.hidden = false;
  take();
}
// On paper nothing can be opened.
window.addEventListener('beforeprint', () => {
  for (const closed of document.querySelectorAll('details:not([open])')) {
    closed.open = true;
    closed.dataset.opened = '';
  }
});
window.addEventListener('afterprint', () => {
  for (const opened of document.querySelectorAll('details[data-opened]')) {
    opened.open = false;
    delete opened.dataset.opened;
  }
});
// A run: one step after the other, and what is so after it.
for (const run of document.querySelectorAll('.run')) {
  const rows = [...run.querySelectorAll('tr[data-step]')], said = run.querySelector('.state');
  let now = -1;
  const change = cell => [...cell.querySelectorAll('[data-what]')].map(item => [item.dataset.what, item.dataset.to]);
  const draw = () => {
    const is = new Map();
    rows.slice(0, now + 1).forEach((row, index) => {
      for (const [what, to] of change(row)) is.set(what, [to, index === now]);
    });
    const list = document.createElement('dl');
    list.className = 'facts';
    for (const [what, [to, fresh]] of is) {
      const name = document.createElement('dt'), value = document.createElement('dd');
      name.textContent = what;
      const text = document.createElement(fresh ? 'mark' : 'span');
      text.textContent = to;
      value.append(text);
      if (!fresh) { name.className = 'same'; value.className = 'same'; }
      list.append(name, value);
    }
    const title = document.createElement('p');
    title.textContent = 'Step ' + rows[now].dataset.step + ' of ' + run.dataset.steps + ': ' + rows[now].dataset.says;
    said.replaceChildren(title, list);
  };
  const go = (to, link, way = to > now ? 1 : -1) => {
    const hidden = row => row.offsetParent === null;
    while (rows[to] && hidden(rows[to])) to += way;
    if (!rows[to]) return;
    for (const old of run.querySelectorAll('.now')) old.classList.remove('now');
    now = to;
    rows[now].classList.add('now');
    const drawn = document.getElementById(run.id.replace(/^run-/, '') + '-step-' + rows[now].dataset.step);
    if (drawn) drawn.classList.add('now');
    draw();
    if (link) {
      history.replaceState(null, '', '#' + run.id.replace(/^run-/, '') + '-step-' + rows[now].dataset.step);
      (drawn || rows[now]).scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  };
  run.querySelector('.next').addEventListener('click', () => go(now + 1, true));
  run.querySelector('.previous').addEventListener('click', () => go(now - 1, true));
  run.querySelector('.lean-switch').addEventListener('change', event => run.classList.toggle('lean', event.target.checked));
  run.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    // What scrolls by itself keeps its arrow keys.
    const box = event.target.closest('.wide');
    const scrolls = box === event.target && box.scrollWidth > box.clientWidth;
    if (scrolls && event.key !== 'n' && event.key !== 'p') return;
    const [to, way] = { ArrowRight: [now + 1, 1], n: [now + 1, 1], ArrowLeft: [now - 1, -1], p: [now - 1, -1],
      Home: [0, 1], End: [rows.length - 1, -1] }[event.key] || [];
    if (to === undefined) return;
    go(to, true, way);
    event.preventDefault();
  });
  const arrive = () => {
    const named = location.hash.slice(1), stem = run.id.replace(/^run-/, '') + '-step-';
    // `#step-7` alone is a step of the first run.
    const own = run === document.querySelector('.run') && /^step-\d+$/.test(named);
    const step = named.startsWith(stem) ? named.slice(stem.length) : own ? named.slice('step-'.length) : '';
    const to = rows.findIndex(row => row.dataset.step === step);
    if (to >= 0) go(to, false);
  };
  window.addEventListener('hashchange', arrive);
  run.querySelector('.controls').hidden = false;
  arrive();
}
