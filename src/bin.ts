#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

// Before anything of ours is loaded, so that all of it is found compiled at the second start.
enableCompileCache()
// Bodies that pass through lie outside the heap. By default V8 collects the whole heap for every 64 MB of them, ten times
// a second under load; with this it weighs them together with the heap instead.
setFlagsFromString('--external-memory-accounted-in-global-limit')
const { runProgram } = await import('./cli/program.ts')
process.exitCode = await runProgram(process.argv.slice(2))
