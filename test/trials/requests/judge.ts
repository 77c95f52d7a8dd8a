/**
 * Sends requests to a subject and holds each answer against the model: one answer
 * or none, the errno that is due, the reply as it must be, and the file as it must
 * be afterwards. What is refused has changed nothing, down to the last byte of the
 * pool. Only where pages or the medium give out half-way may each block be old or new.
 */
import { EIO, ENOSPC, errnoName } from "../../../src/base/errno.js";
import { isAllowed, mayFail } from "../../protocol/support/allowed.js";
import { NOTICES } from "../../protocol/support/samples.js";
import { errnoOf } from "../../protocol/support/wireThread.js";
import { apply } from "./apply.js";
import { FileModel } from "./model.js";
import { expectedErrno } from "./oracle.js";
import { replyFault } from "./replies.js";
import type { Subject } from "./subjects.js";
import { RequestView } from "./view.js";

const mutating = new Set([4, 14, 16, 43]);

export class Judge {
  private readonly live: readonly Uint8Array[];
  private readonly copies: readonly Uint8Array[];

  constructor(private readonly subject: Subject) {
    this.live = subject.watched.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    this.copies = this.live.map((bytes) => Uint8Array.from(bytes));
    this.mustBeAsModel();
  }

  /** @throws Error that says what is wrong */
  send(bytes: Uint8Array): void {
    const { subject } = this;
    const request = new RequestView(bytes);
    const now = subject.now();
    const reply = subject.send(bytes);
    if (!request.hasHeader || NOTICES.has(request.opcode)) {
      if (reply !== null) throw new Error("an answer that nobody waits for");
      this.mustBeUnchanged();
      return;
    }
    if (reply === null) throw new Error("no answer");
    const errno = errnoOf(reply);
    const expected = expectedErrno(request, subject.model, now);
    const isFailure = subject.mayFail && !now.isStopped && this.isFailureOf(request.opcode, errno);
    if (errno !== expected && !isFailure) {
      throw new Error(`answered with ${nameOf(errno)}, not ${nameOf(expected)}`);
    }
    const mayBeEio = errno === EIO && mayFail.has(request.opcode) && (now.isDirect || now.isStopped || isFailure);
    if (!isAllowed(request.opcode, errno) && !mayBeEio) throw new Error(`${nameOf(errno)} is not for this opcode`);
    if (errno === 0) this.succeeded(request, reply);
    else if (errno === ENOSPC || isFailure) this.endedHalfway(request);
    else this.mustBeUnchanged();
    const fault = subject.accountFault();
    if (fault !== null) throw new Error(fault);
  }

  /** After others have changed the file as the model says. */
  lookAgain(): void {
    this.keep();
  }

  /** EIO of a sync that fails now; ENOSPC when limbo could not be emptied for that reason. */
  private isFailureOf(opcode: number, errno: number): boolean {
    if (!mayFail.has(opcode) || !this.subject.now().isStopped) return false;
    return errno === EIO || (errno === ENOSPC && (opcode === 16 || opcode === 43));
  }

  private succeeded(request: RequestView, reply: Uint8Array): void {
    const { model, capacityPages } = this.subject;
    apply(model, request);
    const fault = replyFault(request, reply.subarray(16), model, capacityPages);
    if (fault !== null) throw new Error(fault);
    if (!mutating.has(request.opcode)) {
      this.mustBeUnchanged();
      return;
    }
    this.mustBeAsModel();
    this.keep();
  }

  /** Each block is as it was or as it would have become. The model follows. */
  private endedHalfway(request: RequestView): void {
    const { subject } = this;
    const { model } = subject;
    const full = new FileModel(model.blocks, model.maxBlocks);
    full.content.set(model.content);
    full.isMapped.set(model.isMapped);
    apply(full, request);
    if (subject.blocks !== model.blocks && subject.blocks !== full.blocks) throw new Error("another size");
    for (let block = 0; block < subject.blocks; block++) {
      const isMapped = subject.isMapped(block);
      const from = [model, full].find((each) => this.isAs(each, block, isMapped));
      if (from === undefined) throw new Error(`block ${block} is neither old nor new`);
      model.block(block).set(from.block(block));
      model.isMapped[block] = isMapped ? 1 : 0;
    }
    model.resize(subject.blocks);
    this.keep();
  }

  private isAs(model: FileModel, block: number, isMapped: boolean): boolean {
    if ((model.isMapped[block] === 1) !== isMapped) return false;
    return !isMapped || Buffer.compare(this.subject.block(block), model.block(block)) === 0;
  }

  private mustBeAsModel(): void {
    const { subject } = this;
    const { model } = subject;
    if (subject.blocks !== model.blocks) throw new Error(`${subject.blocks} blocks instead of ${model.blocks}`);
    for (let block = 0; block < model.maxBlocks; block++) {
      const isMapped = subject.isMapped(block);
      if (isMapped !== (model.isMapped[block] === 1))
        throw new Error(`block ${block} is ${isMapped ? "mapped" : "a hole"}`);
      if (!isMapped) continue;
      const at = firstDifference(subject.block(block), model.block(block));
      if (at >= 0) throw new Error(`block ${block} differs from the model at byte ${at}`);
    }
  }

  private mustBeUnchanged(): void {
    for (const [i, bytes] of this.live.entries()) {
      const at = firstDifference(bytes, this.copies[i] as Uint8Array);
      if (at >= 0) throw new Error(`refused, or changes nothing, and yet byte ${at} of part ${i} of the state changed`);
    }
  }

  private keep(): void {
    for (const [i, bytes] of this.live.entries()) (this.copies[i] as Uint8Array).set(bytes);
  }
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, i) => byte !== b[i]);
}

function nameOf(errno: number): string {
  return errno === 0 ? "success" : errnoName(errno);
}
