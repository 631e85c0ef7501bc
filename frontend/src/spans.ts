/** How far back a picture of what went on may look. */
export const HOUR = 3_600_000
const HOURS: Record<string, number> = { '1h': 1, '6h': 6, '24h': 24, '7d': 168 }
export const SPANS = Object.keys(HOURS)

/** A span in milliseconds; six hours where it is none of them. */
export const lasting = (span: string): number => (HOURS[span] ?? 6) * HOUR
