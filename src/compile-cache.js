// Loaded before anything else where the sources run unbuilt (`node --import`). It is plain JavaScript, so that a warm
// start finds all of Portico compiled already and never loads Node's TypeScript compiler: 10 MB and a tenth of a second.
import { enableCompileCache } from 'node:module'

enableCompileCache()
