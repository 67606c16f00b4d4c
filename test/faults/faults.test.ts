import assert from "node:assert/strict";
import { describeRound, playFaults } from "./run.ts";
import type { World } from "./world.ts";

describe("random faults", function () {
  this.timeout(200_000);

  for (const kind of ["own", "attached"] satisfies World["kind"][])
    it(`lose nothing, send nothing twice and leave nothing stuck or behind, with an OpenCode that is ${kind}`, async () => {
      // The same rounds each time; `npm run faults` plays others.
      const seed = 1;
      const { played, problems } = await playFaults({ rounds: 1_000, limitMs: 30_000, seed, kind });
      assert.ok(played > 0);
      assert.deepEqual(problems.map(describeRound), []);
    });
});
