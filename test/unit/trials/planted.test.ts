/** The planted bugs of the trials can be planted: what they replace is in the source, once. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";
import { failoverBugs } from "../../trials/failover/bugs.js";
import { plantedBugs } from "../../trials/plantedBugs/table.js";
import { requestBugs } from "../../trials/requests/bugs.js";
import { stressBugs } from "../../trials/stress/bugs.js";

it.each([...plantedBugs, ...requestBugs, ...stressBugs, ...failoverBugs].map((bug) => [bug.name, bug] as const))(
  "%s",
  (_name, { file, find }) => {
    const occurrences = readFileSync(join(projectRoot, file), "utf8").split(find).length - 1;
    expect(occurrences).toBe(1);
  },
);
