/** Names that Windows takes for devices, with any extension. Source: "Naming Files", Microsoft. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d\u00b9\u00b2\u00b3]) *(\.|$)/i;

/** Whether Windows would not open a file of this name, in any folder. */
export function isDeviceName(name: string): boolean {
  return DEVICE.test(name);
}
