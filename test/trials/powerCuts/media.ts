/**
 * Disks whose power can be cut at any instant while everything runs on.
 *
 * A disk is an image on XFS, ext4 on a loop device over it. A cut is a clone of
 * the image (FICLONE): XFS holds the image's lock for it, so it is what the disk
 * held between two requests of the loop device, however busy ext4 is. What ext4
 * and the page cache have not written yet is lost, as when the power goes. XFS
 * itself is on a loop device over a file on tmpfs; at most two are in use.
 */
import { rmSync } from "node:fs";
import type { Place } from "../../support/place.js";
import { run } from "../../support/processes.js";
import { pause } from "../load/within.js";

const OUTER_BYTES = 2 ** 30;
const IMAGE_BYTES = 56 * 2 ** 20;
const EXT4 = ["-q", "-F", "-b", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"];
/** The machine has few loop devices, and others use them too. */
const LOOP_TRIES = 120;
const LOOP_PAUSE_MS = 500;

export interface CutDisk {
  readonly image: string;
  readonly device: string;
  /** Where its file system is mounted. */
  readonly directory: string;
}

export class Media {
  readonly #template: string;

  private constructor(
    private readonly place: Place,
    private readonly directory: string,
  ) {
    this.#template = `${directory}/template`;
  }

  static async make(place: Place): Promise<Media> {
    const file = place.path("outer");
    await run("truncate", ["-s", String(OUTER_BYTES), file]);
    await run("mkfs.xfs", ["-q", "-K", "-m", "reflink=1", file]);
    const media = new Media(place, await place.mountFileSystem("xfs", await attachLoop(place, file), "images"));
    await run("truncate", ["-s", String(IMAGE_BYTES), media.#template]);
    await run("mkfs.ext4", [...EXT4, media.#template]);
    return media;
  }

  /** A new disk with an empty file system. */
  newDisk(name: string): Promise<CutDisk> {
    return this.#clone(this.#template, name).then((image) => this.insert(image, "files"));
  }

  /** Attaches and mounts an image; ext4 replays its journal. */
  async insert(image: string, name: string): Promise<CutDisk> {
    const device = await attachLoop(this.place, image);
    return { image, device, directory: await this.place.mountFileSystem("ext4", device, name) };
  }

  /** Unmounts and detaches; the image stays. */
  async remove({ device, directory }: CutDisk): Promise<void> {
    await this.place.umount(directory);
    await this.place.detach(device);
  }

  /** What the disk holds at this instant. @returns the new image */
  cut({ image }: CutDisk, name: string): Promise<string> {
    return this.#clone(image, name);
  }

  forget(image: string): void {
    rmSync(image, { force: true });
  }

  async #clone(from: string, name: string): Promise<string> {
    const to = `${this.directory}/${name}`;
    await run("cp", ["--reflink=always", from, to]);
    return to;
  }
}

async function attachLoop(place: Place, file: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await place.loop(file);
    } catch (error) {
      if (tries === LOOP_TRIES) throw error;
      await pause(LOOP_PAUSE_MS);
    }
  }
}
