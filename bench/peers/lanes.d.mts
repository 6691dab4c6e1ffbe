interface Visit {
  readonly peer: string;
  readonly format: string;
  readonly setting: string;
  readonly group: string;
  readonly repeat: number;
}
type Lane = readonly number[] | undefined;
export function expectedMs(visit: Visit, records: readonly object[]): number;
export function runLanes(
  rounds: readonly (readonly Visit[])[],
  run: {
    readonly lanes: readonly Lane[];
    readonly stopAt: number;
    readonly retry: boolean;
    readonly now: () => number;
    readonly records: () => readonly object[];
    readonly probe: (visit: Visit, lane: Lane) => Promise<object>;
    readonly measure: (visit: Visit, ceilings: object, lane: Lane) => Promise<readonly object[]>;
    readonly save: (visit: Visit, records: readonly object[]) => void;
  },
): Promise<boolean>;
