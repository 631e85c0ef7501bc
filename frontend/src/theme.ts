/** Naive UI in our colours; those of style.css, for the two must look as one. */
import type { GlobalThemeOverrides } from 'naive-ui'

const shared = {
  fontFamily: 'inherit',
  fontSize: '14px',
  borderRadius: '6px',
}

export const LIGHT: GlobalThemeOverrides = {
  common: {
    ...shared,
    primaryColor: '#4f46e5',
    primaryColorHover: '#4338ca',
    primaryColorPressed: '#3730a3',
    primaryColorSuppl: '#4f46e5',
    textColorBase: '#1f2430',
    placeholderColor: '#667085',
    borderColor: '#c9cfda',
  },
}
export const DARK: GlobalThemeOverrides = {
  common: {
    ...shared,
    primaryColor: '#a5b4fc',
    primaryColorHover: '#c7d2fe',
    primaryColorPressed: '#818cf8',
    primaryColorSuppl: '#a5b4fc',
    bodyColor: '#0f1115',
    cardColor: '#171a21',
    modalColor: '#171a21',
    popoverColor: '#1e222b',
    inputColor: '#1e222b',
    placeholderColor: '#98a1b3',
  },
}
