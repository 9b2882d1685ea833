"""The look of the report's page. Its hash is in the page's Content-Security-Policy, so nothing else can style it."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #22211f; --soft: #6d6a64; --line: #e4e1d9;
  --good: #2f7d57; --bad: #b3412f; --bar: #b9b3a6; --code: #f3f1eb; --warn: #8a6412;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #161614; --card: #1d1d1a; --ink: #e6e3dc; --soft: #98948b; --line: #32312d;
    --good: #6cbf95; --bad: #e58a77; --bar: #57544c; --code: #242420; --warn: #d6ac58;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
main { max-width: 64rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0 0 1.5rem; letter-spacing: .01em; }
h1 span { color: var(--soft); font-weight: 400; }
h2 {
  font-size: .8rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; color: var(--soft);
  margin: 3rem 0 .75rem;
}
.rate { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; margin: 0; }
.rate strong { font-size: 3.5rem; line-height: 1; font-weight: 300; letter-spacing: -.02em; }
.soft, .rate span { color: var(--soft); }
svg { display: block; overflow: visible; }
.scale { width: 100%; height: 22px; margin: 1.25rem 0 .25rem; }
.scale .all { fill: var(--line); } .scale .part { fill: var(--good); } .scale .low { fill: var(--bad); }
.scale .reach { stroke: var(--ink); stroke-width: 1.5; }
.ends { display: flex; justify-content: space-between; font-size: .75rem; color: var(--soft); }
.means { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 1rem; margin: 2rem 0 0; }
.means div { border-top: 1px solid var(--line); padding-top: .5rem; }
.means dt { font-size: .8rem; color: var(--soft); }
.means dd { margin: 0; font-size: 1.35rem; }
.note { margin: 1.5rem 0 0; padding: .6rem .9rem; border-left: 3px solid var(--warn); background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th { text-align: left; font-weight: 400; font-size: .8rem; color: var(--soft); white-space: nowrap; }
th, td { padding: .45rem .75rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; padding-left: .75rem; }
table ~ p { margin-top: .75rem; font-size: .9rem; }
.worse { color: var(--bad); font-weight: 600; } .better { color: var(--good); font-weight: 600; }
.case { border-bottom: 1px solid var(--line); }
.case > summary, .heads {
  display: grid; grid-template-columns: minmax(0, 1fr) 7rem 3.5rem 8.5rem 5.5rem 4.5rem; column-gap: 1rem;
  align-items: center; padding: .55rem 0;
}
.case > summary { cursor: pointer; list-style: none; }
.case > summary::-webkit-details-marker { display: none; }
.case > summary:hover { background: var(--card); }
summary:focus-visible { outline: 2px solid var(--soft); outline-offset: 2px; }
.heads { font-size: .8rem; color: var(--soft); padding: 0 0 .3rem; border-bottom: 1px solid var(--line); }
.n { text-align: right; }
.name { min-width: 0; overflow-wrap: anywhere; unicode-bidi: isolate; padding-left: 1.1em; text-indent: -1.1em; }
.name::before {
  content: "\\25B8"; display: inline-block; width: 1.1em; text-indent: 0; color: var(--soft);
}
.case[open] > summary .name::before { content: "\\25BE"; }
.why {
  grid-column: 1 / -1; color: var(--bad); font-size: .85rem; padding-left: 1.3em; overflow-wrap: anywhere;
  unicode-bidi: isolate;
}
.marks .ok { fill: var(--good); } .marks .no { fill: var(--bad); }
.used { display: grid; grid-template-columns: minmax(0, 1fr) 3.6rem; gap: .5rem; align-items: center; }
.used svg { width: 100%; }
.used rect { fill: var(--bar); }
.inside { padding: .25rem 0 1.5rem 1.3em; }
.trial {
  margin: 1rem 0 0; padding: 1rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
}
.trial h3 { margin: 0 0 .5rem; font-size: .9rem; font-weight: 600; }
.said { margin: .25rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.label { font-size: .75rem; color: var(--soft); margin: .9rem 0 .1rem; }
ul.checks { list-style: none; margin: 0; padding: 0; font-size: .92rem; }
ul.checks li { padding-left: 1.5em; text-indent: -1.5em; overflow-wrap: anywhere; }
ul.checks li::before { content: "\\2713"; display: inline-block; width: 1.5em; text-indent: 0; color: var(--good); }
ul.checks li.no::before { content: "\\2717"; color: var(--bad); }
pre {
  margin: .25rem 0 0; padding: .6rem .8rem; background: var(--code); border-radius: 6px; overflow-x: auto;
  font: .8rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; text-indent: 0;
  overflow-wrap: anywhere; unicode-bidi: isolate;
}
.trial details summary { cursor: pointer; font-size: .85rem; color: var(--soft); margin-top: .9rem; }
footer { margin-top: 4rem; font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  main { padding: 1.75rem 1rem 3rem; }
  .rate strong { font-size: 2.75rem; }
  .heads { display: none; }
  .case > summary { grid-template-columns: minmax(0, 1fr) auto auto auto; row-gap: .2rem; column-gap: .9rem; }
  .case > summary .name { grid-column: 1 / -1; }
  .case > summary .marks { padding-left: 1.1em; }
  .case > summary > .n:not(.used) { font-size: .85rem; color: var(--soft); }
  .used { display: block; font-size: .85rem; color: var(--soft); } .used svg { display: none; }
  .unit::after { content: attr(data-unit); }
  .optional { display: none; }
  .means { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .inside { padding-left: 0; }
  td, th { padding-right: .4rem; }
  td.n, th.n { padding-left: .25rem; } td:last-child { padding-left: .4rem; }
}
@media print { .case { break-inside: avoid; } main { padding-top: 0; } }
"""
