import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useMemo } from "preact/hooks";
import { highlight } from "./highlight.ts";

const marked = new Marked({
  gfm: true,
  renderer: {
    code: ({ text, lang }) => {
      const language = lang?.split(/\s/)[0] ?? "";
      return `<pre class="code"><code>${highlight(text, language)}</code></pre>`;
    },
    // No picture is fetched from anywhere: what it would show is named, and can be opened like a link.
    image: ({ href, text, title }) =>
      `<a href="${escape(href)}" title="${escape(title ?? href)}">${escape(text || href)}</a>`,
    html: ({ text }) => escape(text),
  },
});

function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

const allowed = {
  ALLOWED_TAGS: [
    ...[
      "a",
      "blockquote",
      "br",
      "code",
      "del",
      "em",
      "h1",
      "h2",
      "h3",
      "h4",
      "h5",
      "h6",
      "hr",
      "input",
      "li",
      "ol",
      "p",
    ],
    ...["pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"],
  ],
  ALLOWED_ATTR: ["align", "checked", "class", "disabled", "href", "start", "title", "type"],
  ALLOW_DATA_ATTR: false,
};

/** Sanitised HTML of finished blocks; the same block is asked for again with every delta behind it. */
const rendered = new Map<string, string>();
const mostRendered = 400;

function html(block: string): string {
  const known = rendered.get(block);
  if (known !== undefined) return known;
  const made = DOMPurify.sanitize(marked.parse(block, { async: false }), allowed);
  if (rendered.size > mostRendered) rendered.clear();
  rendered.set(block, made);
  return made;
}

/** Markdown as HTML. While it streams, only its last block is parsed again. */
export function Markdown({ text, done }: { text: string; done: boolean }) {
  const blocks = useMemo(() => (done ? [text] : splitBlocks(text)), [text, done]);
  return (
    <div class="markdown">
      {blocks.map((block, index) => (
        <div key={index} dangerouslySetInnerHTML={{ __html: html(block) }} />
      ))}
    </div>
  );
}

/** Cuts at empty lines outside of fences where what follows does not continue a list, a quote or a table. */
export function splitBlocks(text: string): string[] {
  const blocks: string[] = [];
  let start = 0;
  let fence = "";
  let position = 0;
  let emptyBefore = false;
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined && fence === "") {
      if (emptyBefore) cut();
      fence = mark;
    } else if (mark?.startsWith(fence) && fence !== "") {
      fence = "";
    } else if (fence === "" && emptyBefore && /^[^\s>|*+\-\d]/.test(line)) {
      cut();
    }
    emptyBefore = line.trim() === "";
    position += line.length + 1;
  }
  blocks.push(text.slice(start));
  return blocks;

  function cut() {
    blocks.push(text.slice(start, position));
    start = position;
  }
}
