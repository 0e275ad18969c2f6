'use strict';
// The index: a text and a verdict.
const find = document.getElementById('find'), verdict = document.getElementById('verdict');
if (find && verdict) {
  const rows = [...document.querySelectorAll('tbody tr[data-text]')], count = document.getElementById('count');
  const sift = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = (!verdict.value || row.dataset.verdict === verdict.value)
        && words.every(word => row.dataset.text.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown + ' of ' + rows.length + ' shown';
  };
  find.addEventListener('input', sift);
  verdict.addEventListener('change', sift);
  sift();
}
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
  const go = (to, link) => {
    const hidden = row => row.offsetParent === null;
    const way = to > now ? 1 : -1;
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
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const way = { ArrowRight: 1, n: 1, ArrowLeft: -1, p: -1 }[event.key];
    if (way) { go(now + way, true); event.preventDefault(); }
  });
  const arrive = () => {
    const named = location.hash.slice(1), stem = run.id.replace(/^run-/, '') + '-step-';
    if (named.startsWith(stem)) go(rows.findIndex(row => row.dataset.step === named.slice(stem.length)), false);
  };
  window.addEventListener('hashchange', arrive);
  run.querySelector('.controls').hidden = false;
  arrive();
}
