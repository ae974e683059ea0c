// Elements and the style sheet that all widgets share.

/**
 * An element with attributes and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * A button that says what it does to those who hover and those who listen.
 * @param {string} label What is on it.
 * @param {string} title
 * @param {() => void} act
 * @returns {HTMLButtonElement}
 */
export function button(label, title, act) {
  const made = element("button", { type: "button", title, "aria-label": title }, label);
  made.addEventListener("click", act);
  return made;
}

/** Load the style sheet, once. */
export function useStyles() {
  const href = new URL("../../css/focus_puller.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(element("link", { rel: "stylesheet", href }));
}
