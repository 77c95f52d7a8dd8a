import { describe, expect, it } from "vitest";
import { picture } from "../../../bench/picture.js";
import { results } from "./sample.js";

const svg = picture(results);
const numbers = (pattern: RegExp): number[] => [...svg.matchAll(pattern)].map((match) => Number(match[1]));

describe("picture", () => {
  it("is one SVG document with every row and peer named", () => {
    expect(svg.startsWith("<svg xmlns=")).toBe(true);
    expect(svg.trimEnd().endsWith("</svg>")).toBe(true);
    for (const words of [
      "4 KiB random read, 8 jobs",
      ">discard<",
      ">nbdfuse<",
      ">qemu<",
      ">loop<",
      "A CPU",
      "Linux 6.18",
    ]) {
      expect(svg).toContain(words);
    }
  });
  it("has a dot for each comparison with a peer, hollow where the target is missed", () => {
    // nbdfuse, qemu, qemu's p99.9, loop.
    expect(numbers(/<circle cx="([\d.]+)"/g)).toHaveLength(4);
    expect(svg.match(/<circle [^>]*fill="white"/g)).toHaveLength(2);
  });
  it("puts larger ratios further to the right, all within the picture", () => {
    const [nbdfuse, qemu] = numbers(/<circle cx="([\d.]+)"/g);
    expect(nbdfuse).toBeGreaterThan(qemu!);
    const width = numbers(/<svg [^>]*width="(\d+)"/g)[0]!;
    const height = numbers(/<svg [^>]*height="(\d+)"/g)[0]!;
    for (const x of numbers(/(?:cx|x1|x2)="(-?[\d.]+)"/g)) expect(x).toBeLessThanOrEqual(width);
    for (const y of numbers(/(?:cy|y1|y2)="(-?[\d.]+)"/g)) expect(y).toBeLessThanOrEqual(height);
  });
  it("escapes what SVG would read as its own", () => {
    const machine = { ...results.machine, cpu: "A <CPU> & more" };
    expect(picture({ ...results, machine })).toContain("A &lt;CPU&gt; &amp; more");
  });
  it("is drawn without any comparison", () => {
    expect(picture({ ...results, stages: [] })).toContain("</svg>");
  });
});
