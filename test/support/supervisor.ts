// Supervises one program with a grandchild until it is killed: node supervisor.ts <data folder>
// Prints what the program prints.
import { echoScript, nodeProgram, openTestProcesses } from './processes.ts'

const [, , dataDir = ''] = process.argv
const processes = await openTestProcesses({ dataDir })
const child = await processes
  .supervise(nodeProgram(echoScript({ grandchildren: 1, ignoresEnd: true })))
  .start()
child.read((line) => process.stdout.write(`${line.toString()}\n`))
