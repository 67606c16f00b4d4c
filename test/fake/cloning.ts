/** A process of its own that clones: node test/fake/cloning.ts <url> <folder> */
import { cloneLibrary } from "../../src/library/cloning.ts";

const [url = "", folder = ""] = process.argv.slice(2);
await cloneLibrary(url, folder);
