/** The results as one picture, SVG: how many times as good as each peer each row is, on a logarithmic scale. */
import { type Comparison, comparisonsOf } from "./comparison.js";
import type { Results, StageResult } from "./results.js";

const LABEL_WIDTH = 375;
const PANEL_WIDTH = 400;
const GAP = 24;
const MARGIN = 16;
/** Height of one peer's line in a row, and what a row has beyond its peers. */
const LINE_HEIGHT = 7;
const ROW_PADDING = 7;
const TITLE_HEIGHT = 26;
const HEAD_HEIGHT = 92;
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/** Labels that would stand nearer to each other are left out, but 1 has one. */
const LABEL_DISTANCE = 36;
/** Told apart also by those who see few colours; in the order in which the peers come. */
const COLOURS = ["#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#8a6d3b"];

type Compared = Comparison & { readonly peer: NonNullable<Comparison["peer"]> };

const hasPeer = (comparison: Comparison): comparison is Compared => comparison.peer !== undefined;

/** A row's comparisons on one of our sides. */
interface Lane {
  readonly title: string;
  readonly bySide: ReadonlyMap<string, readonly Compared[]>;
  readonly lineCount: number;
}

interface Panel {
  readonly title: string;
  readonly lanes: readonly Lane[];
}

/** Stages whose peers are other programs: those with one of our names in every side are no comparison. */
function panelOf(stage: StageResult): Panel | undefined {
  const ours = stage.sides.filter((side) => !side.isPeer).map((side) => side.name);
  if (stage.sides.every((side) => side.name.startsWith("kmemfs-"))) return undefined;
  const yardsticks = stage.sides.filter((side) => side.isYardstick).map((side) => side.name);
  const compared = ours
    .flatMap((side) => comparisonsOf(stage, side).filter(hasPeer))
    .filter(({ peer }) => !yardsticks.includes(peer.name));
  const keys = [...new Set(compared.map(({ row }) => row.key))];
  const lanes = keys.map((key): Lane => {
    const own = compared.filter(({ row }) => row.key === key);
    const bySide = new Map(ours.map((side) => [side, own.filter((one) => one.side === side)]));
    const lineCount = Math.max(...[...bySide.values()].map((list) => list.length));
    return { title: own[0]!.row.title, bySide, lineCount };
  });
  return { title: stage.title, lanes };
}

interface Scale {
  readonly min: number;
  readonly max: number;
  /** The place of a ratio, in pixels from the panel's left. */
  at(ratio: number): number;
}

function scaleFor(panels: readonly Panel[]): Scale {
  const all = panels.flatMap(({ lanes }) => lanes.flatMap((lane) => [...lane.bySide.values()].flat()));
  const ratios = all.flatMap(({ peer, target }) => [peer.ratio.min, peer.ratio.max, target?.limit.value ?? 1]);
  const min = Math.min(0.5, ...ratios) * 0.9;
  const max = Math.max(2, ...ratios) * 1.1;
  const width = Math.log(max / min);
  return { min, max, at: (ratio) => (Math.log(ratio / min) / width) * PANEL_WIDTH };
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (value: number): string => String(Math.round(value * 10) / 10);

function text(x: number, y: number, words: string, attributes = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(words)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ${attributes}/>`;
}

const heightOf = (lane: Lane): number => lane.lineCount * LINE_HEIGHT + ROW_PADDING;
const panelHeight = (panel: Panel): number =>
  TITLE_HEIGHT + panel.lanes.reduce((sum, lane) => sum + heightOf(lane), 0) + GAP;

/** A peer's line: its range, its median, and its target as a tick. A missed target has a hollow dot. */
function mark({ peer, target }: Compared, left: number, y: number, scale: Scale, colour: string): string[] {
  const at = (ratio: number): number => left + scale.at(ratio);
  const { min, median, max } = peer.ratio;
  const isMissed = target !== undefined && !target.isMet;
  const fill = isMissed ? "white" : colour;
  const tick =
    target &&
    line(at(target.limit.value), y - 3, at(target.limit.value), y + 3, `stroke="${colour}" stroke-width="2.2"`);
  return [
    line(at(min), y, at(max), y, `stroke="${colour}" stroke-width="1.4"`),
    ...(tick === undefined ? [] : [tick]),
    `<circle cx="${round(at(median))}" cy="${round(y)}" r="2.6" fill="${fill}" stroke="${colour}" stroke-width="1.2"/>`,
  ];
}

interface Drawing {
  readonly sides: readonly string[];
  readonly scale: Scale;
  readonly colours: ReadonlyMap<string, string>;
}

const panelLeft = (column: number): number => MARGIN + LABEL_WIDTH + column * (PANEL_WIDTH + GAP);

function drawLane(lane: Lane, top: number, isShaded: boolean, drawing: Drawing): string[] {
  const height = heightOf(lane);
  const right = panelLeft(drawing.sides.length - 1) + PANEL_WIDTH;
  const shade = `<rect x="${MARGIN}" y="${top}" width="${right - MARGIN}" height="${height}" fill="#f3f3f3"/>`;
  const marks = drawing.sides.flatMap((side, column) =>
    (lane.bySide.get(side) ?? []).flatMap((comparison, i) => {
      const y = top + (ROW_PADDING + LINE_HEIGHT) / 2 + i * LINE_HEIGHT;
      return mark(comparison, panelLeft(column), y, drawing.scale, drawing.colours.get(comparison.peer.name)!);
    }),
  );
  return [...(isShaded ? [shade] : []), text(MARGIN + 4, top + height / 2 + 4, lane.title), ...marks];
}

/** The ticks that get a label: outwards from 1, those that have room. */
function labelled(ticks: readonly number[], scale: Scale): number[] {
  const chosen: number[] = [];
  const outwards = [...ticks].sort((a, b) => Math.abs(Math.log(a)) - Math.abs(Math.log(b)));
  for (const tick of outwards) {
    const isFree = chosen.every((other) => Math.abs(scale.at(tick) - scale.at(other)) >= LABEL_DISTANCE);
    if (isFree) chosen.push(tick);
  }
  return chosen;
}

function drawGrid(top: number, bottom: number, { sides, scale }: Drawing): string[] {
  const ticks = TICKS.filter((tick) => tick >= scale.min && tick <= scale.max);
  const withLabel = labelled(ticks, scale);
  return sides.flatMap((_side, column) =>
    ticks.flatMap((tick) => {
      const x = panelLeft(column) + scale.at(tick);
      const stroke = tick === 1 ? 'stroke="#888" stroke-width="1.4"' : 'stroke="#d5d5d5" stroke-width="0.8"';
      const label = text(x, bottom + 12, `${tick}×`, 'text-anchor="middle" fill="#555"');
      return [line(x, top, x, bottom, stroke), ...(withLabel.includes(tick) ? [label] : [])];
    }),
  );
}

function drawPanel(panel: Panel, top: number, drawing: Drawing): string[] {
  const first = top + TITLE_HEIGHT;
  const bottom = top + panelHeight(panel) - GAP;
  const titles = drawing.sides.map((side, column) =>
    text(panelLeft(column), first - 8, `${side}, ${panel.title}`, 'font-weight="bold" font-size="13"'),
  );
  let y = first;
  const lanes = panel.lanes.map((lane, i) => {
    const drawn = drawLane(lane, y, i % 2 === 0, drawing);
    y += heightOf(lane);
    return drawn;
  });
  // The shades lie below the grid, the grid below the marks.
  const flat = lanes.flat();
  const isShade = (element: string): boolean => element.startsWith("<rect");
  const grid = drawGrid(first, bottom, drawing);
  return [...titles, ...flat.filter(isShade), ...grid, ...flat.filter((element) => !isShade(element))];
}

function drawHead(results: Results, colours: Drawing["colours"]): string[] {
  const { machine, date, rounds } = results;
  const about = `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} CPUs, ${machine.kernel.split(" ").slice(0, 2).join(" ")}, Node ${machine.versions.node ?? "?"}`;
  const how = `Dot: median of ${rounds} rounds; line: their range; tick: target; hollow dot: target missed. Right of 1× kmemfs is better.`;
  let x = MARGIN + 4;
  const legend = [...colours].flatMap(([peer, colour]) => {
    const at = x;
    x += 40 + peer.length * 7;
    return [line(at, 74, at + 18, 74, `stroke="${colour}" stroke-width="4"`), text(at + 24, 78, peer)];
  });
  return [
    text(MARGIN + 4, 26, "kmemfs: how many times as good as each peer", 'font-weight="bold" font-size="16"'),
    text(MARGIN + 4, 43, about, 'fill="#333"'),
    text(MARGIN + 4, 59, how, 'fill="#333"'),
    ...legend,
  ];
}

/** The whole picture, a standalone SVG document. */
export function picture(results: Results): string {
  const panels = results.stages.flatMap((stage) => panelOf(stage) ?? []);
  const lanes = panels.flatMap((panel) => panel.lanes);
  const sides = [...new Set(lanes.flatMap((lane) => [...lane.bySide.keys()]))];
  const peers = lanes.flatMap((lane) => [...lane.bySide.values()].flat().map(({ peer }) => peer.name));
  const colours = new Map([...new Set(peers)].map((peer, i) => [peer, COLOURS[i % COLOURS.length]!]));
  const drawing = { sides, scale: scaleFor(panels), colours };
  let y = HEAD_HEIGHT;
  const drawn = panels.flatMap((panel) => {
    const top = y;
    y += panelHeight(panel);
    return drawPanel(panel, top, drawing);
  });
  const width = panelLeft(Math.max(0, sides.length - 1)) + PANEL_WIDTH + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">`,
    `<rect width="${width}" height="${y}" fill="white"/>`,
    ...drawHead(results, colours),
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}
