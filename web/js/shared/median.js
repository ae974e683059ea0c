// The median of many numbers, without sorting them all.

/**
 * The lower of the two middle values of an even count, as torch.median.
 * @param {Float32Array} values At least one; brought into another order.
 * @returns {number}
 */
export function lowerMedian(values) {
  const wanted = (values.length - 1) >> 1;
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let [left, right] = [low, high];
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left > right) break;
      [values[left], values[right]] = [values[right], values[left]];
      left++;
      right--;
    }
    if (wanted <= right) high = right;
    else if (wanted >= left) low = left;
    else break;
  }
  return values[wanted];
}
