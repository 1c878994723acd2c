import { AppError } from '../../../lib/errors.ts'
import type { Instance } from '../instances/instance.ts'
import type { CallOptions, CallSink, RunningCall } from '../upstream/connection.ts'
import type { RpcRequest } from '../wire/rpc-message.ts'
import { startCallTimer, type CallLimits } from './call-timer.ts'

/** One request to a server, with its time limits: what the server says goes to `sink`, in the server's era. */
export function exchangeWithServer(
  instance: Instance,
  { request, options }: { readonly request: RpcRequest; readonly options: CallOptions },
  { sink, limits }: { readonly sink: CallSink; readonly limits: CallLimits },
): RunningCall {
  let isOver = false
  const timer = startCallTimer(limits, () => {
    if (isOver) return
    isOver = true
    running.cancel('timeout')
    sink.onFailure(new AppError('upstream_timeout', 'The server did not answer in time.'))
  })
  const end = () => {
    isOver = true
    timer.stop()
  }
  const running = instance.call(
    request,
    {
      onNotification(notification) {
        timer.touch()
        sink.onNotification(notification)
      },
      onRequest(asked, respond) {
        timer.pause()
        sink.onRequest(asked, (answer) => {
          timer.resume()
          respond(answer)
        })
      },
      onResponse(response) {
        end()
        sink.onResponse(response)
      },
      onFailure(error) {
        end()
        sink.onFailure(error)
      },
    },
    options,
  )
  return {
    cancel(reason) {
      if (isOver) return
      end()
      running.cancel(reason)
    },
  }
}
