/** A tree of files like a program's source: the same in every run. */

export interface TreeFile {
  readonly path: string;
  readonly content: Buffer;
}

const DIRECTORIES = 300;
const FILES_EACH = 20;
/** Sizes are spread evenly by their order of magnitude, as those of source files are. */
const SMALLEST_BYTES = 200;
const LARGEST_BYTES = 100_000;
const WORDS = "const return the value of if number export import pool page block read write while index".split(" ");

/** Numbers from 0 to 1, the same for the same seed (Lehmer's generator). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Text that is long enough to cut every file from. */
function makeText(next: () => number): Buffer {
  let text = "";
  while (text.length < 2 * LARGEST_BYTES) {
    text += `${WORDS[Math.floor(next() * WORDS.length)]}${next() < 0.1 ? "\n" : " "}`;
  }
  return Buffer.from(text);
}

/** As long, of bytes that do not compress. */
function makeNoise(next: () => number): Buffer {
  return Buffer.from(Array.from({ length: 2 * LARGEST_BYTES }, () => Math.floor(next() * 256)));
}

/** 6000 files of about 16 KB in 300 directories: some 95 MB. @param isText text, or noise */
export function* sourceTree(isText: boolean): Generator<TreeFile> {
  const next = numbers(20_261_122);
  const text = isText ? makeText(next) : makeNoise(next);
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    for (let file = 0; file < FILES_EACH; file++) {
      const bytes = Math.round(SMALLEST_BYTES * (LARGEST_BYTES / SMALLEST_BYTES) ** next());
      const start = Math.floor(next() * (text.length - bytes));
      const path = `part${directory % 20}/room${directory}/file${file}.ts`;
      yield { path, content: text.subarray(start, start + bytes) };
    }
  }
}
