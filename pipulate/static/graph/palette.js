// Colours, for light and dark.  Categories: based on Okabe and Ito's set, which people with any kind of colour
// blindness tell apart, with two tints added and lightness shifted for each background.  Numbers: one ramp from dim
// to strong, so that "more" stands out from the background in both themes.

const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#c2569b", "#d18f00", "#3aa5e0", "#6a4fc4", "#8a5a33", "#5b8c1f", "#b3163d"],
  dark: ["#4aa3ff", "#ff8a3d", "#2dd4a0", "#f08ac9", "#ffc233", "#7fd3ff", "#a78bfa", "#c99a6b", "#a3d65c", "#ff6b81"],
};
const OTHER = { light: "#98928a", dark: "#7b756b" };

const RAMP = {
  light: ["#a8c4de", "#7fb0cf", "#58a1b3", "#3f918a", "#3f7f55", "#6b6a14", "#8a4b00", "#8f1d1d"],
  dark: ["#31527a", "#2f6f96", "#2d8ca0", "#39a98f", "#74c26c", "#bcd14f", "#f3c73b", "#ff9a4a"],
};

// Compared with an earlier analysis; the words are those of pipulate/graph/compare.py.
const CHANGES = {
  light: { new: "#0072b2", gone: "#d55e00", changed: "#c2569b", same: "#b3aca2" },
  dark: { new: "#4aa3ff", gone: "#ff8a3d", changed: "#f08ac9", same: "#5f5a51" },
};

export const HIGHLIGHT = { light: { out: "#0072b2", in: "#d55e00", ring: "#101318" },
                           dark: { out: "#6cb8ff", in: "#ff9d5c", ring: "#ffffff" } };

/** Colours of `count` categories named `names`; the last one is "other" when there are more than we have colours. */
export function categoryColours(theme, names) {
  return names.map((_, place) => CATEGORIES[theme][place] ?? OTHER[theme]);
}

/** Colours of the classes "new", "gone", "changed", "same". */
export function changeColours(theme, names) {
  return names.map((name) => CHANGES[theme][name] ?? OTHER[theme]);
}

/** `count` steps from dim to strong. */
export function rampColours(theme, count) {
  const ramp = RAMP[theme];
  return Array.from({ length: count }, (_, k) =>
    ramp[count < 2 ? ramp.length - 1 : Math.round((k * (ramp.length - 1)) / (count - 1))]);
}

export const otherColour = (theme) => OTHER[theme];

export const MOST_CATEGORIES = CATEGORIES.light.length;

/** [red, green, blue] of "#rrggbb", or of what getComputedStyle gives: "rgb(1, 2, 3)". */
export function rgb(colour) {
  if (!colour.startsWith("#")) return colour.match(/\d+/g).slice(0, 3).map(Number);
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** "light" or "dark": what the app's switch says (`data-theme` on <html>), else the system's wish. */
export function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Call `changed` whenever the theme may be another one; returns the function that stops it. */
export function watchTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  system.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", changed);
  };
}
