// Shows, in every tangent sheet, the tangents of the view that its radio buttons choose.
"use strict";
document.querySelectorAll("[data-sheet]").forEach((sheet) => {
  sheet.querySelectorAll("input[type='radio']").forEach((input) => input.addEventListener("change", () => {
    sheet.querySelectorAll(".from").forEach((group) => {
      const chosen = group.dataset.from === input.value;
      group.style.display = chosen ? "" : "none";
      if (!chosen || !group.dataset.words) return;
      const panel = group.closest("figure"), drawing = panel.querySelector("svg");
      panel.querySelector(".words").textContent = group.dataset.words;
      drawing.setAttribute("aria-label", drawing.getAttribute("aria-label").split(": ")[0] + ": " + group.dataset.words);
    });
  }));
});
