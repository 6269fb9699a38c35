// Draws formulas as MathML, which browsers lay out themselves: no fonts, no styles. KaTeX reads the
// LaTeX; only elements and attributes of the lists below come out of it. Loaded when a formula comes.

import katex from "katex";

const MATHML = "http://www.w3.org/1998/Math/MathML";

const ELEMENTS = new Set(
  ("math semantics mrow mi mn mo ms mspace mtext menclose merror mfrac mpadded mphantom mroot msqrt mstyle " +
    "mmultiscripts mover mprescripts msub msubsup msup munder munderover mtable mtd mtr").split(" "),
);

const ATTRIBUTES = new Set(
  ("accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height largeop " +
    "linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize movablelimits notation " +
    "rowlines rowspacing rspace scriptlevel separator side stretchy symmetric voffset width").split(" "),
);

/** Also bounds what a hostile formula can cost. */
const MOST_NODES = 5000;

/** A node as KaTeX has it, before it becomes one of the page. */
interface Node {
  type?: string;
  text?: string;
  attributes?: Record<string, string>;
  children?: Node[];
}

interface Trees {
  __renderToDomTree(source: string, options: object): Node;
}

/** The formula, or nothing when it is none. */
export function draw(source: string, display: boolean): Element | undefined {
  const options = { output: "mathml", displayMode: display, strict: "ignore", maxExpand: 300, maxSize: 20 };
  try {
    const tree = (katex as unknown as Trees).__renderToDomTree(source, options);
    const budget = { nodes: MOST_NODES };
    return element(find(tree), budget) as Element;
  } catch {
    return undefined;
  }
}

function find(tree: Node): Node {
  if (tree.type === "math") return tree;
  const [first] = tree.children ?? [];
  if (!first) throw new Error("no formula");
  return find(first);
}

function element(node: Node, budget: { nodes: number }): Element | Text {
  budget.nodes -= 1;
  if (budget.nodes < 0) throw new RangeError("too large");
  if (node.type === undefined) return document.createTextNode(node.text ?? "");
  const made = document.createElementNS(MATHML, ELEMENTS.has(node.type) ? node.type : "mrow");
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    if (ATTRIBUTES.has(name)) made.setAttribute(name, String(value));
  }
  // The source is what it was drawn from; whoever copies the answer has it.
  for (const child of node.children ?? []) if (child.type !== "annotation") made.append(element(child, budget));
  return made;
}
