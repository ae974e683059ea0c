// Sensors to choose from, by the long side of the part that makes the picture. The widths are those
// of the makers' data sheets, of the cameras named beside them.

/** @type {readonly { name: string, widthMm: number }[]} */
export const SENSORS = [
  { name: "Medium format 44 × 33", widthMm: 43.8 }, // Fujifilm GFX 100S: 43.8 × 32.9
  { name: "Full frame", widthMm: 36 }, // 36 × 24
  { name: "Super 35 film", widthMm: 24.89 }, // SMPTE ST 59, camera aperture: 24.89 × 18.66
  { name: "APS-C Nikon, Sony, Fujifilm", widthMm: 23.5 }, // Nikon Z 50: 23.5 × 15.7
  { name: "APS-C Canon", widthMm: 22.3 }, // Canon EOS R7: 22.3 × 14.8
  { name: "Micro Four Thirds", widthMm: 17.3 }, // the standard: 17.3 × 13
  { name: "1-inch type", widthMm: 13.2 }, // Sony RX100 VII: 13.2 × 8.8
  { name: "Phone, main camera (1/1.28 inch)", widthMm: 9.8 }, // Apple iPhone 14 Pro: 9.8 × 7.3
  { name: "Phone, small camera (1/2.55 inch)", widthMm: 5.6 }, // Samsung S5K2L: 5.6 × 4.2
];

/**
 * The sensor with a width.
 * @param {number} widthMm
 * @returns {number} Its index in SENSORS, -1 if there is none.
 */
export function sensorOf(widthMm) {
  return SENSORS.findIndex((sensor) => Math.abs(sensor.widthMm - widthMm) < 0.01);
}
