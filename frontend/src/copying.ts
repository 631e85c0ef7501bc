/** To the clipboard, and a word that it is there. For a component's setup. */
import { useMessage } from 'naive-ui'

import { t } from './words'

export function useCopy(): (text: string) => Promise<void> {
  const message = useMessage()
  return async (text) => {
    await navigator.clipboard.writeText(text)
    message.success(t('copied'))
  }
}
