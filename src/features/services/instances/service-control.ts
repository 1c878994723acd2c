import type { ServiceFigures, ServiceStatus } from './service-status.ts'

/** What the management of services may have done to what runs. Unknown ids throw `not_found`. */
export interface ServiceControl {
  /** Starts a service now, forgetting earlier crashes, and reads its lists. Rejects with `service_failed` and what else keeps it from answering. */
  start(serviceId: string): Promise<void>
  /** Stops everything of the service; it stays stopped until it is started explicitly. */
  stop(serviceId: string): Promise<void>
  restart(serviceId: string): Promise<void>
  status(serviceId: string): ServiceStatus
  figures(serviceId: string): Promise<ServiceFigures | undefined>
  /** Reads the lists of the service anew, starting it if need be. */
  refresh(serviceId: string): Promise<void>
}
