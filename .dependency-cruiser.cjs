/**
 * The directions between the rooms of src/, as rules. docs/ARCHITECTURE.md says what each room is for.
 * Type-only imports count: a room that knows another's types depends on it.
 */
const pureCore = "^src/(base|pool|blockfile|fuse)/";

/** A rule: modules of `room` may import only what `allowed` names. */
function onlyImports(room, allowed, comment) {
  return {
    name: `${room}-imports-only`,
    comment,
    severity: "error",
    from: { path: `^src/${room}/` },
    to: { path: "^src/", pathNot: `^src/(${[room, ...allowed].join("|")})/` },
  };
}

/** A rule: no module of `room` imports one of `other`. */
function notBetween(room, other, comment) {
  return {
    name: `${room}-not-${other}`,
    comment,
    severity: "error",
    from: { path: `^src/${room}/` },
    to: { path: `^src/${other}/` },
  };
}

/** A rule: only modules of `room` may import the npm package `name`. */
function onlyIn(room, name, comment) {
  return {
    name: `${name}-only-in-${room}`,
    comment,
    severity: "error",
    from: { path: "^(src|bench|bin|scripts)/", pathNot: `^src/${room}/` },
    to: { path: `(^|/)node_modules/(@types/)?${name}/` },
  };
}

module.exports = {
  forbidden: [
    {
      name: "pure-core-reaches-nothing",
      comment: "base, pool, blockfile and fuse run anywhere: no path leads from them to a module outside the four.",
      severity: "error",
      from: { path: pureCore },
      to: { pathNot: pureCore, reachable: true },
    },
    {
      name: "pure-core-imports-nothing",
      comment: "The same for direct imports, so that the report names the import; covers unresolvable ones too.",
      severity: "error",
      from: { path: pureCore },
      to: { pathNot: pureCore },
    },
    onlyImports("base", [], "base is the leaf: it knows no other room."),
    onlyImports("pool", ["base"], "The pool knows pages, not files or requests."),
    onlyImports("blockfile", ["pool", "base"], "The sparse file knows the pool, not the protocol."),
    onlyImports("fuse", ["blockfile", "base"], "The protocol talks to the block file, never past it to the pool."),
    onlyImports("linux", ["base"], "linux implements base's ports and knows nothing of what uses them."),
    onlyImports(
      "mounts",
      ["linux", "base"],
      "Running mounts seen from outside: what they are asked, and what they note.",
    ),
    onlyImports("media", ["mounts", "linux", "pool", "base"], "Pools on files and devices, mounted or not."),
    onlyImports("disk", ["mounts", "linux", "base"], "What lies on a disk's file: loop devices and file systems."),
    onlyImports("recover", ["disk", "mounts", "linux", "base"], "What killed processes left; none of it is a daemon."),
    onlyImports(
      "daemon",
      ["disk", "media", "mounts", "linux", "fuse", "blockfile", "pool", "base"],
      "The daemon composes all, and never prints.",
    ),
    onlyImports(
      "doctor",
      ["daemon/session", "disk", "mounts", "linux", "base"],
      "The doctor looks, and changes nothing.",
    ),
    onlyImports(
      "cli",
      ["daemon/holder", "doctor", "recover", "disk", "media", "mounts", "linux", "pool", "base"],
      "Commands do not reach into the block file or protocol.",
    ),
    onlyImports(
      "daemon/session",
      ["mounts", "linux", "fuse", "blockfile", "pool", "base"],
      "What holder and server share knows neither of them.",
    ),
    notBetween("daemon/holder", "daemon/server", "Two processes: they meet in daemon/session."),
    notBetween("daemon/server", "daemon/holder", "Two processes: they meet in daemon/session."),
    onlyImports("linux/proc", ["base"], "What the kernel shows as text needs no system call of ours."),
    onlyImports("linux/syscall", ["linux/proc", "base"], "System calls and their numbers know no object."),
    onlyImports("linux/process", ["linux/syscall", "linux/proc", "base"], "This process, and those it starts."),
    onlyImports(
      "linux/fuse",
      ["linux/process", "linux/syscall", "linux/proc", "base"],
      "The FUSE device and the mount on it.",
    ),
    onlyImports(
      "linux/mount",
      ["linux/fuse", "linux/process", "linux/syscall", "linux/proc", "base"],
      "Any mount, and loop devices.",
    ),
    onlyImports(
      "linux/backing",
      ["linux/process", "linux/syscall", "linux/proc", "base"],
      "What a pool's memory is made of.",
    ),
    onlyImports(
      "linux/memory",
      ["linux/backing", "linux/syscall", "linux/proc", "base"],
      "The Memory port on a backing.",
    ),
    onlyIn("linux", "koffi", "Foreign function calls stay in one room."),
    onlyIn("cli", "commander", "Command lines are parsed in one room."),
    {
      name: "linux-packages",
      comment: "Of npm, linux imports koffi alone.",
      severity: "error",
      from: { path: "^src/linux/" },
      to: { path: "(^|/)node_modules/", pathNot: "(^|/)node_modules/(koffi|@types/node)/" },
    },
    {
      name: "runtime-packages-only",
      comment: "src/ runs with the runtime dependencies, and with commander, which is bundled.",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown", "npm-optional", "npm-peer"],
        pathNot: "(^|/)node_modules/(@types/node|commander)/",
      },
    },
    {
      name: "src-stands-alone",
      comment: "The program does not import its tests, benchmarks or scripts.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|scripts|bin|dist)/" },
    },
    {
      name: "no-circular",
      comment: "A cycle means that two modules are one, or that a third is missing.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-orphans",
      comment: "A module that nothing imports and that imports nothing is dead.",
      severity: "error",
      from: { orphan: true, path: "^src/" },
      to: {},
    },
    {
      name: "no-unresolvable",
      comment: "An import that leads nowhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
    reporterOptions: { text: { highlightFocused: true } },
  },
};
