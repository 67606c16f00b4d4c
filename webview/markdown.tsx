import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useMemo } from "preact/hooks";
import { splitBlocks } from "./blocks.ts";
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
