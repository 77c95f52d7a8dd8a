/** What a command ends with when it does not throw: 0 unless it says otherwise. */
export interface Outcome {
  exitCode: number;
}
