import { z } from 'zod'
import { Secret } from './secret.ts'

// Draft: the shape other folders may rely on. Each field carries `.describe()`; docs/configuration.md is written from it.
const port = z.int().min(0).max(65_535)
const secret = z.string().min(1).transform((text) => new Secret(text))

export const ServerConfig = z.strictObject({
  host: z.string().default('127.0.0.1'),
  port: port.default(8437),
  dashboardHost: z.string().default('127.0.0.1'),
  dashboardPort: port.default(3437),
  publicUrl: z.url().optional(),
  dashboardUrl: z.url().optional(),
  allowedHosts: z.array(z.string()).default([]),
  allowedOrigins: z.array(z.string()).default([]),
  trustedProxies: z.array(z.string()).default([]),
  queryKeys: z.boolean().default(true),
  shutdownTimeoutMs: z.int().positive().default(25_000),
})
