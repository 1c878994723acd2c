import { openTestKeys, inboundWith } from '/work/main/test/support/keys.ts'
import { openStore } from '/work/main/src/store/store.ts'
import { systemClock } from '/work/main/src/lib/clock.ts'
import { hash } from 'node:crypto'
const store = await openStore({dataDir:'/tmp/kk'+Date.now()})
const keys = await openTestKeys(store)
const plain = await keys.issue({name:'x'})
const p = await keys.issue({name:'p', requestsPerMinute: 1e9, budget:{day: 1e6, month: 1e6}})
const limited = await keys.issue({name:'l', parentId: p.key.keyId, requestsPerMinute: 1e9, tokensPerMinute: 1e9, concurrentRequests: 100, budget:{day:1e6}})
const rule = {carriers: new Set(['authorization','x-api-key'] as const), scope: 'models:use' as const}
const inbound = inboundWith({authorization: limited.text})
function time(name: string, f: () => void, n = 300000) { for (let i=0;i<50000;i++) f(); const t=performance.now(); for (let i=0;i<n;i++) f(); console.log(name, ((performance.now()-t)/n*1000).toFixed(3),'us') }
time('hash', () => { hash('sha256', limited.text) })
time('auth', () => { keys.authenticate(inbound, rule) })
const est = {tokens: 100, costNanoUsd: 1000}
time('admit plain', () => { (keys.admit(plain.key, est) as any).settle({tokens:5,costNanoUsd:5}) })
time('admit limited (8 limits)', () => { (keys.admit(limited.key, est) as any).settle({tokens:5,costNanoUsd:5}) })
time('admit limited (8 limits) + headers', () => { const a = (keys.admit(limited.key, est) as any); a.headers; a.settle({tokens:5,costNanoUsd:5}) })
const rec = {requestId:'r',workspaceId:'default',keyId:limited.key.keyId,route:'chat/completions',modelAsked:'m',providerId:'p',modelUsed:'m',status:200,inputTokens:1,outputTokens:1,cachedTokens:null,costNanoUsd:5,usageSource:'reported' as const,abortedBy:null,attempts:1,firstByteMs:1.5,latencyMs:2.5}
time('record', () => keys.recordUsage(rec), 9000)
