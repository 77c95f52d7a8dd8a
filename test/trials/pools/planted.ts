/** Shows that the trial finds bugs: each planted one, both ways, and after how many executions. */
import { compileTree } from "./compile.js";
import { startLane } from "./lane.js";
import { type PlantedBug, plantedBugs } from "./plantedBugs.js";

/** A thread gives up after so many. */
const MOST_EXECUTIONS = 100_000;

/** Prints the table. @returns true when each was found, guided or at random */
export async function findPlanted(seed: number): Promise<boolean> {
  process.stdout.write(`${plantedBugs.length} planted bugs, seed ${seed}; executions until each is found\n`);
  process.stdout.write("  guided   random  bug\n");
  let all = true;
  for (const bug of plantedBugs) {
    const [guided, random] = await Promise.all([find(bug, seed, true), find(bug, seed, false)]);
    all &&= guided !== null || random !== null;
    process.stdout.write(`${column(guided)} ${column(random)}  ${bug.name}\n`);
  }
  return all;
}

function column(executions: number | null): string {
  return (executions === null ? "never" : String(executions)).padStart(8);
}

async function find(bug: PlantedBug, seed: number, guided: boolean): Promise<number | null> {
  const tree = compileTree({ guided, changes: [bug] });
  const lane = startLane(tree, { seed, count: MOST_EXECUTIONS, guided });
  try {
    const finding = await lane.ended;
    return finding === null ? null : lane.status.get("executions");
  } finally {
    await lane.stop();
    tree.remove();
  }
}
