/** A word that a run is in the queue, with the way to it. For a component's setup. */
import { useMessage } from 'naive-ui'
import { h } from 'vue'
import { RouterLink } from 'vue-router'

import { t } from './words'

export function useQueued(): (reply: { id: string; new: boolean }) => void {
  const message = useMessage()
  return (reply) => {
    const words = t(reply.new ? 'sent' : 'under_way')
    const way = h(RouterLink, { to: `/runs/${reply.id}` }, () => t('see_run'))
    message.success(() => h('span', [words, ' ', way]), { closable: true, duration: 8000 })
  }
}
