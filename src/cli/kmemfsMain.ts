/** Entry of the command line. */
import { main } from "./main.js";

void main(process.argv);
