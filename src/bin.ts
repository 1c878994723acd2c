#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Before anything of ours is loaded, so that all of it is found compiled at the second start.
enableCompileCache()
const { runProgram } = await import('./cli/program.ts')
process.exitCode = await runProgram(process.argv.slice(2))
