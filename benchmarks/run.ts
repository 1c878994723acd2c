/** `npm run bench -- <name> [--report] [--quick]`: runs one benchmark; exits 1 where a figure is missed, unless it only reports. */
import { parseArgs } from 'node:util'
import { benchmarkModels } from './models.ts'
import { benchmarkServicesSoak } from './services-soak.ts'
import { benchmarkServices } from './services.ts'
import { benchmarkStoreDelay } from './store-delay.ts'

const benchmarks: Readonly<Record<string, (options: { quick: boolean }) => Promise<boolean>>> = {
  models: benchmarkModels,
  services: benchmarkServices,
  'services-soak': benchmarkServicesSoak,
  'store-delay': benchmarkStoreDelay,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    report: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})
const benchmark = benchmarks[positionals[0] ?? '']
if (!benchmark) {
  console.error(`Usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--report] [--quick]`)
  process.exitCode = 2
} else {
  const met = await benchmark({ quick: values.quick })
  if (!met && !values.report) process.exitCode = 1
}
