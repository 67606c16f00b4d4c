// Loaded before the product: its clock is the machine's, moved by the milliseconds that a file names.
import { readFileSync } from "node:fs";

const path = process.env.FAULTS_CLOCK;
const realNow = Date.now.bind(Date);
let offset = 0;
setInterval(() => {
  offset = Number(readFileSync(path, "utf8")) || 0;
}, 100).unref();
Date.now = () => realNow() + offset;
